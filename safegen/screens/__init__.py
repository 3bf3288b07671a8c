"""What samples are checked for before release: a screen measures, and a policy decides.

screen       the protocol, and the batch that a screen looks at
registry     screens by name: those that come with safegen, those of other packages, your own
bound        a screen as a policy means it, by its digest
measure      a batch under many screens, so that what one of them cannot say denies by its name
classifier   any network that names classes, from an ONNX file (`onnx`), of `pictures`
ready/       screens that come with safegen; a file that is laid there is one more

A score is the fact `output.screens.<name>`, so that a line of a policy judges it.
"""
