"""Training of networks on pictures with masks; needs the extra ``train``.

`readers` and `coco` read data sets, `augmentation` and `scenes` make training examples of them,
`losses` and `metrics` judge a network, `trainer` trains it by a `plan`.
"""
