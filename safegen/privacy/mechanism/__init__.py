"""What may look at records: the private step and the releases, their sampling and noise."""
