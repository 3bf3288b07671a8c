"""What cannot change epsilon: precision, devices, memory, processes."""
