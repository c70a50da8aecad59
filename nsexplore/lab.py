"""Opening JupyterLab on the notebooks."""
