"""Training of networks on pictures with masks; needs the extra ``train``.

`readers` and `coco` read data sets, a `teacher` makes mattes of photographs; `augmentation` and
`scenes` make training examples of them, `composites` others of cut-outs, `products` and `studio`;
`losses` and `metrics` judge a network, `trainer` trains it by a `plan`. A `recipe` names `sets` and
the shares of their examples in a `mixture`. `command` is the command line's.
"""
