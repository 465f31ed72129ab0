"""What JupyterLab changes in a notebook that is run there a second time and saved."""

import copy

import nbformat

METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
        "version": "3.12.1",
    },
    "widgets": {
        "application/vnd.jupyter.widget-state+json": {
            "state": {},
            "version_major": 2,
            "version_minor": 0,
        }
    },
}
TIMES = {"iopub.execute_input": "2026-01-01T00:00:00.000000Z"}


def saved(notebook):
    """A copy with the metadata of JupyterLab, and with the counts of a second Run All."""
    notebook = copy.deepcopy(notebook)
    notebook.metadata = nbformat.from_dict(METADATA)
    run_before = sum(cell.cell_type == "code" for cell in notebook.cells)
    for cell in notebook.cells:
        cell.metadata["editable"] = True
        if cell.cell_type == "markdown":
            cell.metadata["jp-MarkdownHeadingCollapsed"] = True
            continue
        cell.metadata |= {"collapsed": True, "scrolled": True, "execution": dict(TIMES)}
        cell.metadata["trusted"] = True
        cell.metadata["jupyter"] = cell.metadata.get("jupyter", {}) | {"outputs_hidden": False}
        cell.execution_count += run_before
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count += run_before
    return notebook
