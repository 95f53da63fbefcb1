"""What Datumaro and Label Studio's SDK read in exported labels; run by a Python that has both, which needs no siamtrack.

    python peers.py FOLDER      # of the folders mot, cvat, coco, yolo, labelme and the file task.json

It prints, for each of them, a list of `[frame, id or null, label, x, y, w, h]` as the reader has it.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

CONFIG = """<View><Labels name="videoLabels" toName="video"><Label value="a car"/><Label value="a dog"/></Labels>
<Video name="video" value="$video"/><VideoRectangle name="box" toName="video"/></View>"""


def read_datumaro(folder: Path, form: str) -> list[list[Any]]:
    import datumaro

    data = datumaro.Dataset.import_from(str(folder), form)
    labels = data.categories()[datumaro.AnnotationType.label]
    found = []
    for item in data:
        frame = int(re.findall(r"\d+", item.id)[-1])
        for box in item.annotations:
            if not box.attributes.get("outside"):
                track = box.attributes.get("track_id")
                assert not box.attributes.get("occluded") or form in ("cvat", "label_me")
                found.append([frame, track, labels[box.label].name, *box.get_bbox()])
    return found


def read_label_studio(path: Path) -> list[list[Any]]:
    from label_studio_sdk._extensions.label_studio_tools.postprocessing.video import extract_key_frames
    from label_studio_sdk.label_interface import LabelInterface

    (task,) = json.loads(path.read_text())
    (prediction,) = task["predictions"]
    assert LabelInterface(CONFIG).validate_prediction(prediction, return_errors=True) == []
    found = []
    # With the frames between two entries, as its own exports have them.
    for region in extract_key_frames(prediction["result"]):
        (label,) = region["value"]["labels"]
        for box in region["value"]["sequence"]:
            found.append([box["frame"], region["id"], label, *(box[key] for key in ("x", "y", "width", "height"))])
    return found


if __name__ == "__main__":
    root = Path(sys.argv[1])
    forms = {"mot": "mot_seq", "cvat": "cvat", "coco": "coco", "yolo": "yolo", "labelme": "label_me"}
    read = {name: read_datumaro(root / name, form) for name, form in forms.items()}
    print(json.dumps({**read, "labelstudio": read_label_studio(root / "task.json")}))
