"""Many files to a slice store; patients to parts and folds; balanced samples."""
