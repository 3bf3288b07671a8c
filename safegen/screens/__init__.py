"""What samples are checked for before release; their scores become facts that policies judge."""
