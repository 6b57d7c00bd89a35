"""Which releases of torch, torchaudio and torchvision belong together. `lockgen pairs`."""
