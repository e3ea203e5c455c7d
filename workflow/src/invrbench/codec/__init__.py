"""The codec contract: manifests, environments, sandbox and the verbs."""
