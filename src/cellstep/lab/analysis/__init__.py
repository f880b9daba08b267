"""What is computed: gradients through time, gates, exponents, watching `fit`, comparing cells."""
