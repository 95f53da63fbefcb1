"""Start from a detector's boxes, and keep their ids.

A detector is slow, or misses a thing now and then; a tracker a box carries them through the frames between, and new boxes are
matched by overlap. `Followed.update` takes what a detector gave, `supervision.Detections` or a plain (N, 4) array of
`x1, y1, x2, y2`, in as many frames as there are some:

    python examples/detections.py clip.mp4 followed.mp4

Here the detector is what moves before a camera that stands still (OpenCV's background model): put your own in its place.
"""

import sys

import cv2
import numpy as np

import siamtrack
from siamtrack.boxes import iou

EVERY = 10  # frames from one detection to the next
OVERLAP = 0.3  # of a box and a target that are the same thing
PATIENCE = 30  # frames that a target may be LOST


class Followed:
    """Targets by their ids, from detections.

    Args:
        group: of `siamtrack.load_multi`.
    """

    def __init__(self, group):
        self.group = group
        self.lost = {}  # id: frames that it has been LOST
        self.next_id = 1

    def update(self, frame, detections=None):
        """Follow all targets into a frame, and take over what a detector saw in it.

        Args:
            frame: (H, W, 3) BGR uint8.
            detections: `supervision.Detections`, an (N, 4) array of `x1, y1, x2, y2`, or None where no detector ran.

        Returns:
            A `TrackResult` an id.
        """
        results = self.group.update(frame)
        if detections is not None:
            corners = np.reshape(getattr(detections, "xyxy", detections), (-1, 4))
            self._take(frame, np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]]), results)
        for name, result in list(results.items()):
            self.lost[name] = self.lost.get(name, 0) + 1 if result.state is siamtrack.State.LOST else 0
            if self.lost[name] > PATIENCE:
                self.group.remove(name)
                del results[name], self.lost[name]
        return results

    def _take(self, frame, boxes, results):
        """Give each box to the target that it overlaps most, the best pair first; what is left over is new."""
        names = list(results)
        overlap = iou(boxes[:, None], np.array([results[name].box for name in names]).reshape(1, -1, 4))
        new = set(range(len(boxes)))
        while overlap.size and overlap.max() >= OVERLAP:
            i, k = np.unravel_index(overlap.argmax(), overlap.shape)
            overlap[i, :] = overlap[:, k] = 0
            new.discard(i)
            if results[names[k]].state is not siamtrack.State.TRACKING:  # a detector knows better what it looks like now
                results[names[k]] = self.group.add(names[k], frame, boxes[i])
        for i in sorted(new):
            results[self.next_id] = self.group.add(self.next_id, frame, boxes[i])
            self.next_id += 1


def drawn(frame, results):
    """The frame with boxes and ids, by supervision's annotators where it is installed."""
    try:
        import supervision as sv
    except ImportError:
        for name, result in results.items():
            frame = result.plot(frame, f"#{name}")
        return frame
    found = [result.to_supervision() for result in results.values()]
    for name, each in zip(results, found, strict=True):
        each.tracker_id[:] = name
    found = sv.Detections.merge(found)
    labels = [f"#{name} {result.state} {result.score:.2f}" for name, result in results.items()]
    boxes, names = (kind(color_lookup=sv.ColorLookup.TRACK) for kind in (sv.BoxAnnotator, sv.LabelAnnotator))
    return names.annotate(boxes.annotate(frame.copy(), found), found, labels)


class Movement:
    """What moves before a camera that stands still: a detector without weights."""

    def __init__(self):
        self.model = cv2.createBackgroundSubtractorMOG2(detectShadows=False)

    def __call__(self, frame):
        """(N, 4) boxes `x1, y1, x2, y2`."""
        moving = cv2.morphologyEx(self.model.apply(frame), cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
        contours, _ = cv2.findContours(moving, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        boxes = np.array([cv2.boundingRect(contour) for contour in contours], float).reshape(-1, 4)
        boxes = boxes[(boxes[:, 2:] >= 16).all(axis=1)]
        return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


def main(source, out):
    """Follow what moves, and write it down as a video."""
    video, detect, followed = cv2.VideoCapture(source), Movement(), Followed(siamtrack.load_multi())
    if not video.isOpened():
        sys.exit(f"{source} cannot be opened; give a video file")
    size = int(video.get(cv2.CAP_PROP_FRAME_WIDTH)), int(video.get(cv2.CAP_PROP_FRAME_HEIGHT))
    writer = cv2.VideoWriter(out, cv2.VideoWriter.fourcc(*"mp4v"), video.get(cv2.CAP_PROP_FPS) or 25, size)
    if not writer.isOpened():
        sys.exit(f"{out} cannot be written; give the name of an .mp4 file in a folder that is there")
    index = 0
    while (read := video.read())[0]:
        frame = read[1]
        seen = detect(frame)  # a background model wants every frame; another detector may run in every tenth
        results = followed.update(frame, seen if index % EVERY == EVERY - 1 else None)
        writer.write(drawn(frame, results))
        index += 1
    writer.release()
    print(f"{out}: {index} frames, {followed.next_id - 1} things")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
