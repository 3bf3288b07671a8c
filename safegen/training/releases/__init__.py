"""What is released about records once, beside the steps."""
