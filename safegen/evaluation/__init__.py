"""What a generator is good for: classifiers, distances, calibration, copies."""
