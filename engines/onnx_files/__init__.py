"""ONNX files: read without trust, converted, quantised."""
