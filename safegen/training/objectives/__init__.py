"""What a step minimises: a VAE's bound, a GAN's game."""
