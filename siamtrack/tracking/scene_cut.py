"""Placeholder."""


class SceneCut:
    def __init__(self, image):
        pass

    def is_cut(self, image):
        return False
