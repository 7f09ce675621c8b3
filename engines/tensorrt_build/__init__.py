"""TensorRT engines: built, cached, found again."""
