"""PyTorch: modules and state dicts as cellstep's models, and back.

`structure` makes layers of modules, and `modules` modules of layers; `weights` says which tensors belong to which
weights; `files` reads state dicts. PyTorch itself is imported where a module or a .pt file is to be read or made.
"""
