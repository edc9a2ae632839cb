"""Images that prompts name, found in every form in which they come."""

import io
import tarfile
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from raw_sets import picture, write_tar, write_zip

from othink_mr1.data import images
from othink_mr1.data.download.selection import Wanted, select_paths
from othink_mr1.data.raw_images import archives, image_store
from othink_mr1.data.raw_images.image_store import ImageStore
from othink_mr1.errors import UserError


def read(folder, *image_paths):
    with ImageStore([folder], image_paths) as images:
        return [images.read(path) for path in image_paths]


@pytest.mark.parametrize(
    ("image_path", "member"),
    [
        ("./Geo170K/images/test/0.png", "images/test/0.png"),  # the hub's archive
        ("./images/superCLEVR_new_025000.png", "superCLEVR_new_025000.png"),  # a mirror's
        ("./images/superCLEVR_new_025000.png", "val/all/superCLEVR_new_025000.png"),  # its name says it all
    ],
)
def test_images_are_found_by_the_end_of_their_path(tmp_path, image_path, member):
    members = {member: b"this", "images/train/0.png": b"that", "images/notes.txt": b"!"}
    write_zip(tmp_path / "images.zip", members)
    assert read(tmp_path, image_path) == [b"this"]


@pytest.mark.parametrize("suffix", images.IMAGE_SUFFIXES)
def test_every_kind_of_picture_that_is_fetched_is_found(suffix, tmp_path):
    """Not .tif and .tiff, before."""
    assert select_paths(Wanted("a/b", "dataset", "main", ("*",), ()), [f"a{suffix}"]) == [f"a{suffix}"]
    write_zip(tmp_path / "images.zip", {f"images/a{suffix}": b"this"})
    assert read(tmp_path, f"images/a{suffix}") == [b"this"]


def test_two_that_fit_equally_well_are_refused(tmp_path):
    write_zip(tmp_path / "images.zip", {"images/test/0.png": b"this", "images/train/0.png": b"that"})
    with pytest.raises(UserError, match=r"fit equally well \(.*\); let the source's `files` in the config"):
        read(tmp_path, "0.png")


def test_a_number_in_another_folder_is_not_the_image(tmp_path):
    write_zip(tmp_path / "images.zip", {"images/train/0.png": b"that"})
    with pytest.raises(UserError, match=r"test/0\.png: no such image in "):
        read(tmp_path, "./Geo170K/images/test/0.png")


def test_loose_files_serve_as_well_but_links_and_hidden_files_do_not(tmp_path):
    (tmp_path / "raw/images").mkdir(parents=True)
    (tmp_path / "raw/.cache").mkdir()
    (tmp_path / "raw/images/a.png").write_bytes(b"one")
    (tmp_path / "raw/.cache/c.png").write_bytes(b"three")
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / "raw/images/b.png").symlink_to(tmp_path / "secret.png")
    assert read(tmp_path / "raw", "./images/a.png") == [b"one"]
    for name in ("b", "c"):
        with pytest.raises(UserError, match="no such image"):
            read(tmp_path / "raw", f"./images/{name}.png")


def test_a_loose_file_beyond_all_images_is_refused(tmp_path, monkeypatch):
    (tmp_path / "1.png").write_bytes(b"12345")
    monkeypatch.setattr(archives, "LARGEST_IMAGE_FILE", 4)
    with pytest.raises(UserError, match=r"1\.png has 5 bytes, at most 4 are allowed"):
        read(tmp_path, "1.png")


@pytest.mark.parametrize(("name", "mode"), [("a.tgz", "w:gz"), ("a.tar.gz", "w:gz"), ("a.tar", "w")])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_archives_serve(tmp_path, name, mode, form):
    long = "./" + "subsplit/" * (30 if form != tarfile.USTAR_FORMAT else 2)
    members = {f"{long}{number}.png": picture(colour=(number, 0, 0)) for number in range(4)}
    with tarfile.open(tmp_path / name, mode, format=form) as archive:
        folder = tarfile.TarInfo("./subsplit")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for member, data in members.items():
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    # In another order than they lie there.
    wanted = [f"subsplit/{number}.png" for number in (2, 0, 3)]
    assert read(tmp_path, *wanted) == [picture(colour=(number, 0, 0)) for number in (2, 0, 3)]


def test_a_tar_archive_may_have_many_members(tmp_path):
    """More than the headers of one member may take together."""
    write_tar(tmp_path / "a.tar", {f"folder/{number}.png": b"%d" % number for number in range(2500)}, "w")
    assert read(tmp_path, "folder/2499.png") == [b"2499"]


def test_a_tar_archive_cut_off_within_an_image_is_refused(tmp_path):
    path = write_tar(tmp_path / "a.tar", {"a.png": bytes(5000)}, "w")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(UserError, match=r"is no readable tar archive \(member a\.png is cut off\)"):
        read(tmp_path, "a.png")


def test_parquet_files_serve_if_they_keep_names(tmp_path):
    images = [
        {"bytes": b"one", "path": "images/superCLEVR_new_025001.png"},
        {"bytes": b"two", "path": "superCLEVR_new_025002.png"},
        {"bytes": b"no name", "path": None},
        {"bytes": None, "path": "superCLEVR_new_025003.png"},
        None,
    ]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array(images, kind), "problem": ["how many ?"] * 5})
    pq.write_table(table, tmp_path / "test.parquet")
    pq.write_table(pa.table({"image": ["text"], "answer": [1]}), tmp_path / "other.parquet")
    wanted = [f"./images/superCLEVR_new_02500{number}.png" for number in (2, 1, 3)]
    with ImageStore([tmp_path], wanted) as store:
        assert [store.read(path) for path in wanted[:2]] == [b"two", b"one"]
        with pytest.raises(UserError, match=r"025003\.png: no such image"):
            store.read(wanted[2])


def test_the_same_name_twice_is_refused_only_if_it_is_asked_for(tmp_path):
    member = tarfile.TarInfo("images/a.png")
    write_tar(tmp_path / "t/a.tgz", {member: b"one", tarfile.TarInfo("images/a.png"): b"two", "b.png": b"b"})
    with pytest.warns(UserWarning, match="Duplicate name"):
        write_zip(tmp_path / "z/a.zip", [("images/a.png", b"one"), ("images/a.png", b"two"), ("b.png", b"b")])
    for folder in ("t", "z"):
        assert read(tmp_path / folder, "b.png") == [b"b"]
        with pytest.raises(UserError, match=r"a\.png: 2 images in .* fit equally well"):
            read(tmp_path / folder, "images/a.png")


def test_nested_archives_are_left_alone(tmp_path):
    inner = write_zip(tmp_path / "inner.zip", {"a.png": b"x"}).read_bytes()
    write_zip(tmp_path / "raw/outer.zip", {"inner.zip": inner, "b.png": b"b"})
    write_tar(tmp_path / "raw/outer.tgz", {"inner.zip": inner})
    with ImageStore([tmp_path / "raw"], ["a.png", "b.png"]) as images:
        assert images.read("b.png") == b"b"
        with pytest.raises(UserError, match=r"a\.png: no such image"):
            images.read("a.png")


def test_what_is_kept_aside_is_bounded(tmp_path, monkeypatch):
    write_tar(tmp_path / "a.tgz", {"a.png": b"123", "b.png": b"456"})
    monkeypatch.setattr(image_store, "MOST_BYTES", 5)
    assert read(tmp_path, "a.png") == [b"123"]
    with pytest.raises(UserError, match="take more than 5 bytes"):
        read(tmp_path, "a.png", "b.png")


def test_no_room_for_the_images_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"x")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"/none: cannot keep images there \(.*\); make room, or set TMPDIR"):
        read(tmp_path, "a.png")
