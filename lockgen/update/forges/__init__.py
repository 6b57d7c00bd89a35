"""The forges that `lockgen update` opens pull requests on."""
