"""The phantom's scanner: projections, beam hardening, noise."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hemo.phantom.fields import capsule, ellipsoid, inside, slab
from hemo.phantom.scanner import (
    STYLES,
    backproject,
    expose,
    project,
    quantum_noise,
    spectral_error,
)

GRID = np.mgrid[-64:64, -64:64].astype(np.float32)


def disc(x: float, y: float, radius: float, hu: float, background: np.ndarray) -> np.ndarray:
    within = inside(np.hypot(GRID[1] - x, GRID[0] - y) - radius, 1.0)
    return (background + within * (hu - background)).astype(np.float32)


def test_backprojection_undoes_projection():
    image = disc(10, -5, 30, 1.0, np.zeros((128, 128), np.float32))
    again = backproject(project(image, 180), 1.0)
    middle = np.hypot(GRID[1] - 10, GRID[0] + 5)
    assert abs(again[middle < 25].mean() - 1.0) < 0.05
    assert abs(again[(middle > 35) & (middle < 45)].mean()) < 0.06


def test_beam_hardening_darkens_what_lies_between_two_bones():
    head = disc(0, 0, 55, 35.0, np.full((128, 128), -1000.0, np.float32))
    bones = disc(-28, 0, 9, 1500.0, disc(28, 0, 9, 1500.0, head))
    plain, _ = spectral_error(np.random.default_rng(0), head, 1.5)
    error, spread = spectral_error(np.random.default_rng(0), bones, 1.5)
    between = (np.abs(GRID[1]) < 10) & (np.abs(GRID[0]) < 4)
    aside = (np.abs(GRID[1]) < 10) & (np.abs(GRID[0] - 35) < 4)
    assert error[between].mean() - plain[between].mean() < error[aside].mean() - plain[aside].mean() - 3
    assert spread[between].mean() > spread[aside].mean()


def test_noise_is_of_unit_deviation_and_has_its_kernels_frequency():
    for style in STYLES:
        noise = quantum_noise(np.random.default_rng(1), 128, 0.9, style.peak)
        power = np.abs(np.fft.rfft2(noise)) ** 2
        radius = np.hypot(np.fft.fftfreq(128, 0.9)[:, None], np.fft.rfftfreq(128, 0.9)[None])
        assert abs(noise.std() - 1.0) < 1e-3
        assert power[radius < 0.02].mean() < power[np.abs(radius - style.peak) < 0.03].mean()


def test_a_slice_is_whole_hu_and_the_sharp_kernel_is_the_noisier():
    head = disc(0, 0, 55, 35.0, np.full((128, 128), -1000.0, np.float32))
    by_name = {style.name: style for style in STYLES}
    middle = np.hypot(*GRID) < 30
    noise = {}
    for name in ("soft", "sharp"):
        image = expose(np.random.default_rng(2), by_name[name], head, 1.5)
        assert image.dtype == np.int16
        assert abs(image[middle].mean() - 35) < 4
        noise[name] = image[middle].std()
    assert noise["soft"] < noise["sharp"]


@settings(max_examples=30, deadline=None)
@given(st.floats(0.3, 6.0), st.floats(-4, 4), st.floats(0.5, 3.0))
def test_a_sheet_covers_as_much_as_it_is_wide(width, at, soft):
    x = np.arange(-15, 15, 0.01, dtype=np.float32)
    assert abs(slab(x - np.float32(at), width, soft).sum() * 0.01 - width) < 0.05


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.floats(-20, 20)] * 3), st.floats(2, 8))
def test_a_ball_is_a_short_rod_and_a_round_ellipsoid(centre, radius):
    rng = np.random.default_rng(0)
    u, v, w = (np.float32(c) + rng.uniform(-6, 6, 200).astype(np.float32) for c in centre)
    exact = np.sqrt((u - centre[0]) ** 2 + (v - centre[1]) ** 2 + (w - centre[2]) ** 2) - radius
    end = (centre[0], centre[1], centre[2] + 1e-3)
    assert np.allclose(capsule(u, v, w, centre, end, (radius, radius)), exact, atol=0.01)
    near = np.abs(exact) < 0.2
    assert np.allclose(ellipsoid(u, v, w, centre, (radius,) * 3)[near], exact[near], atol=0.1)
