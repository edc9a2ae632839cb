"""The two raw forms and their images: what is found, and which files are refused."""

import zipfile

import pytest
from raw_sets import picture, prompt_row, training_row, write_parquet, write_prompts, write_zip

from othink_mr1.data import zip_images
from othink_mr1.data.raw_forms import parquet_files, read_parquet_rows, read_prompt_rows
from othink_mr1.data.zip_images import ImageStore
from othink_mr1.errors import UserError


def test_parquet_rows_come_in_the_order_of_the_files(tmp_path):
    write_parquet(tmp_path, [training_row(n) for n in range(40)], "train-00000-of-00002.parquet")
    write_parquet(tmp_path, [training_row(n) for n in range(40, 50)], "train-00001-of-00002.parquet")
    rows = list(read_parquet_rows(parquet_files(tmp_path)))
    assert [row.question for row in rows] == [f"What is {n} ?" for n in range(50)]
    assert rows[-1].where == "train-00001-of-00002.parquet row 9"


def test_only_the_training_split_is_read(tmp_path):
    write_parquet(tmp_path, [training_row(1)], "test-00000-of-00001.parquet")
    assert [path.name for path in parquet_files(tmp_path)] == ["test-00000-of-00001.parquet"]
    write_parquet(tmp_path, [training_row(2)])
    write_parquet(tmp_path / ".cache", [training_row(3)])
    assert [path.name for path in parquet_files(tmp_path)] == ["train-00000-of-00001.parquet"]


def test_plain_binary_images_and_missing_thinking_are_read(tmp_path):
    row = {"image": picture(), "problem": "a", "solution": "b"}
    (read,) = read_parquet_rows(parquet_files(write_parquet(tmp_path, [row])))
    assert read.image == picture()
    assert read.thinking is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"image": b"x", "question": "a", "solution": "b"},
            "has no column 'problem'; its columns are image, ",
        ),
        ({"image": "x.png", "problem": "a", "solution": "b"}, "column 'image' is string, not an image"),
        ({"image": b"x", "problem": "a", "solution": 7}, "column 'solution' is int64, not text"),
    ],
)
def test_wrong_columns_are_named(tmp_path, row, message):
    with pytest.raises(UserError, match=message):
        list(read_parquet_rows(parquet_files(write_parquet(tmp_path, [row]))))


def test_broken_parquet_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(UserError, match="has no parquet file"):
        parquet_files(tmp_path)
    path = write_parquet(tmp_path, [training_row()]) / "data/train-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="is no readable parquet file"):
        list(read_parquet_rows([path]))


@pytest.mark.parametrize(
    ("image_path", "member"),
    [
        ("./Geo170K/images/test/0.png", "images/test/0.png"),  # the hub's archive
        ("./images/superCLEVR_new_025000.png", "superCLEVR_new_025000.png"),  # a mirror's
        ("./images/superCLEVR_new_025000.png", "val/all/superCLEVR_new_025000.png"),  # its name says it all
        ("0.png", "images/test/0.png"),
    ],
)
def test_images_are_found_by_the_end_of_their_path(tmp_path, image_path, member):
    write_zip(
        tmp_path / "images.zip", {member: b"this", "images/train/0.png": b"that", "images/notes.txt": b"!"}
    )
    if image_path == "0.png":
        with (
            ImageStore([tmp_path]) as images,
            pytest.raises(UserError, match="fit equally well"),
        ):
            images.read(image_path)
    else:
        with ImageStore([tmp_path]) as images:
            assert images.read(image_path) == b"this"


def test_a_number_in_another_folder_is_not_the_image(tmp_path):
    write_zip(tmp_path / "images.zip", {"images/train/0.png": b"that"})
    with ImageStore([tmp_path]) as images, pytest.raises(UserError, match=r"test/0\.png: no such image in "):
        images.read("./Geo170K/images/test/0.png")


def test_loose_files_serve_as_well_but_links_do_not(tmp_path):
    (tmp_path / "raw/images").mkdir(parents=True)
    (tmp_path / "raw/images/1.png").write_bytes(b"one")
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / "raw/images/2.png").symlink_to(tmp_path / "secret.png")
    with ImageStore([tmp_path / "raw"]) as images:
        assert images.read("./images/1.png") == b"one"
        with pytest.raises(UserError, match="no such image"):
            images.read("./images/2.png")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/etc/0.png", "leads out of the archive"),
        ("../0.png", "leads out of the archive"),
        ("images/../../0.png", "leads out of the archive"),
        ("C:/0.png", "leads out of the archive"),
    ],
)
def test_paths_out_of_the_archive_are_refused(tmp_path, name, message):
    write_zip(tmp_path / "images.zip", {"images/1.png": b"x", name: b"x"})
    with pytest.raises(UserError, match=message):
        ImageStore([tmp_path])


def test_backslashes_links_and_encryption_are_refused(tmp_path):
    # zipfile mends backslashes when it writes, so the archive is patched.
    path = write_zip(tmp_path / "a/images.zip", {"images!1.png": b"x"})
    path.write_bytes(path.read_bytes().replace(b"images!1", b"images\\1"))
    with pytest.raises(UserError, match="leads out of the archive"):
        ImageStore([tmp_path / "a"])
    link = zipfile.ZipInfo("images/1.png")
    link.external_attr = 0o120777 << 16
    write_zip(tmp_path / "b/images.zip", {link: b"/etc/passwd"})
    with pytest.raises(UserError, match="is a link or device"):
        ImageStore([tmp_path / "b"])
    path = write_zip(tmp_path / "c/images.zip", {"1.png": b"x"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="is encrypted"):
        ImageStore([tmp_path / "c"])


def test_declared_sizes_are_limited(tmp_path, monkeypatch):
    write_zip(tmp_path / "images.zip", {f"{n}.png": bytes(100) for n in range(3)})
    ImageStore([tmp_path])
    for limit, value, message in (
        ("LARGEST_MEMBER", 99, "declares 100 bytes"),
        ("LARGEST_ARCHIVE", 299, "unpacks to 300 bytes"),
        ("MOST_MEMBERS", 2, "has 3 members"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(zip_images, limit, value)
            with pytest.raises(UserError, match=message):
                ImageStore([tmp_path])


def test_broken_archives_are_refused(tmp_path):
    path = write_zip(tmp_path / "images.zip", {"a1.png": b"abcdefgh" * 9})
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"abcdefgh", b"abcdefgX", 1))
    with ImageStore([tmp_path]) as images, pytest.raises(UserError, match=r"a1\.png is broken \(Bad CRC-32"):
        images.read("a1.png")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="is no readable zip archive"):
        ImageStore([tmp_path])


def test_prompts_and_images_may_lie_in_two_folders(tmp_path):
    prompts = write_prompts(tmp_path / "prompts", [prompt_row(gold=4), prompt_row(gold="145°")])
    write_zip(tmp_path / "images/images.zip", {"images/superCLEVR_new_025000.png": b"x"})
    rows = list(read_prompt_rows([prompts, tmp_path / "images"]))
    assert [(row.image, row.solution) for row in rows] == [(b"x", "4"), (b"x", "145°")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1: is no JSON"),
        ("[]", "line 1: is no JSON object"),
        ('{"question": "q", "ground_truth": 1}', "line 1: image_path must be text, got None"),
        ('{"image_path": "a", "question": "q", "ground_truth": 1.5}', "must be text or integer, got 1.5"),
        ('{"image_path": "a", "question": "q", "ground_truth": true}', "must be text or integer, got True"),
    ],
)
def test_broken_prompts_are_refused_with_their_line(tmp_path, line, message):
    (tmp_path / "prompts.jsonl").write_text(line + "\n")
    with pytest.raises(UserError, match=message):
        list(read_prompt_rows([tmp_path]))


def test_one_prompt_file_is_needed(tmp_path):
    with pytest.raises(UserError, match="need one jsonl file of prompts, found 0"):
        list(read_prompt_rows([tmp_path]))
