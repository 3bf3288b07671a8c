"""Methods of explanation, one file each; Captum enters through this room alone."""
