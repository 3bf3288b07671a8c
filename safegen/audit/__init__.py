"""What an attack finds: lower bounds on epsilon, membership inference, with their confidence."""
