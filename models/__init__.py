"""Models: what learns. Encoders, tokenizers, sequence models, decoders, baselines, training, bundles."""
