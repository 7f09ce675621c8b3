"""Stand-ins for other packages' interfaces: an existing program changes an import."""
