"""What samples are checked for before release: a screen measures, and a policy decides.

screen       the protocol, and the batch that a screen looks at
registry     screens by name: those that come with safegen, those of other packages, your own
bound        a screen as a policy means it, by its digest
measure      a batch under many screens, so that what one of them cannot say denies by its name
confined     what a screen may do while it measures; `records`, what it may not hold
classifier   any network that names classes, from an ONNX file (`onnx`), of `pictures`
likeness     whom and what outputs may not resemble
ready/       screens that come with safegen; a file that is laid there is one more

A score is the fact `output.screens.<name>`, so that a line of a policy judges it.
"""
