"""The operations: arrays in, arrays out, on the CPU or on a GPU."""
