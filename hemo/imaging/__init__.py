"""One file in, one slice out: HU or gray, windowed, cropped, reduced. Knows nothing of labels."""
