"""From records to a generator, through the private engine.

priors/       pictures drawn by code, from which networks learn for nothing
objectives/   what a step minimises: a VAE's bound, a GAN's game
releases/     what is released about records once, beside the steps
loop          the steps, claimed in a checkpoint before they run
"""
