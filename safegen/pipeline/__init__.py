"""The only place where verbs meet: train, generate, verify."""
