package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"fedtab/learn/data"
)

// ownPictures is a task with pictures of participants.
func ownPictures(edit ...string) string {
	return strings.NewReplacer(edit...).Replace(`name: pets
title: Cats and dogs
model: {kind: softmax}
data:
  source: own
  images: {width: 8, height: 8, channels: 1, classes: [cat, dog], drawn: true}
  holdout: 0.2
  examples: {min: 4, max: 1000}
strategy: {kind: fedavg, fraction: 1, epochs: 1, batch: 4, lr: 0.1, min_clients: 1}
stop: {rounds: 3}
`)
}

// picture is a picture of w x h pixels, different for each seed.
func picture(w, h, seed int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, color.RGBA{uint8(x*255/w + 37*seed), uint8(y*255/h + 91*seed), uint8(13 * seed), 255})
		}
	}
	return m
}

func pngOf(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// folder writes pictures of two classes, a folder each, and returns where.
func folder(t *testing.T, each int) string {
	t.Helper()
	dir := t.TempDir()
	for k, class := range []string{"Cat", "dog"} {
		if err := os.Mkdir(filepath.Join(dir, class), 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range each {
			if err := os.WriteFile(filepath.Join(dir, class, fmt.Sprintf("p%d.png", i)), pngOf(t, picture(40, 30, 1+k*100+i)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// A person brings pictures: a folder, files with a class, a zip file, what is pasted, the
// camera, drawings; broken ones are named and left out.
func TestOwnPictures(t *testing.T) {
	c := serve(t, ownPictures())
	b := open(t, c.url())
	examples := func(want int) {
		t.Helper()
		await(t, fmt.Sprintf("there are %d pictures", want), func() bool {
			return js[string](b, "document.getElementById('own-state').dataset.examples") == fmt.Sprint(want)
		})
	}
	b.choose("own-folder", folder(t, 5))
	b.step("ready")
	examples(10)
	b.shows("cat: 5, dog: 5")
	b.look("25-own-pictures")

	// Files of one class; a broken one, a HEIC file, and a picture that is there already.
	dir := t.TempDir()
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, picture(1600, 1200, 77), nil); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for name, content := range map[string][]byte{
		"photo.jpg": photo.Bytes(), "broken.png": pngOf(t, picture(20, 20, 78))[:60],
		"iphone.heic": []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), "twice.png": pngOf(t, picture(40, 30, 1)),
	} {
		paths = append(paths, filepath.Join(dir, name))
		if err := os.WriteFile(paths[len(paths)-1], content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.selects("#own-class", "1")
	b.choose("own-files", paths...)
	examples(11)
	for _, words := range []string{"it is broken, or no picture", "HEIC picture, which this browser does not decode", "it is the same picture as"} {
		b.shows(words)
	}
	b.look("26-own-broken")

	// A zip file with folders, and a table with the classes of pictures beside them.
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	for name, content := range map[string][]byte{
		"all/cat/a.png": pngOf(t, picture(30, 40, 201)), "all/dog/b.png": pngOf(t, picture(30, 40, 202)), "__MACOSX/all/cat/._a.png": []byte("no picture"),
		"all/c.png": pngOf(t, picture(30, 40, 203)), "labels.csv": []byte("file,class\nc.png,dog\nd.png,hamster\n"), "all/cat/bomb.png": make([]byte, 65<<20),
	} {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	b.selects("#own-class", "-1")
	b.choose("own-files", file(t, "pets.zip", packed.String()))
	examples(14)
	b.shows("it unpacks to more than 64 MB")
	b.shows("hamster is no class: write cat or dog")

	// A picture without a class is named.
	b.choose("own-files", file(t, "stray.png", string(pngOf(t, picture(30, 40, 204)))))
	b.shows("it has no class: choose one above, or put it into a folder named cat or dog")
	examples(14)

	// Pasted.
	b.selects("#own-class", "0")
	js[bool](b, fmt.Sprintf(`(() => { const d = new DataTransfer(); d.items.add(new File([Uint8Array.from(atob(%q), (c) => c.charCodeAt(0))], "image.png", { type: "image/png" }));
		document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: d, bubbles: true, cancelable: true })); return true })()`,
		base64.StdEncoding.EncodeToString(pngOf(t, picture(30, 40, 205)))))
	examples(15)

	// The camera, which is Chromium's pattern here.
	b.press("own-camera")
	await(t, "the camera sees something", func() bool { return js[bool](b, "document.getElementById('own-video').videoWidth > 0") })
	b.press("own-take")
	examples(16)
	b.press("own-camera-off")
	js[bool](b, "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError') }, true")
	b.press("own-camera")
	b.shows("The camera is not allowed for this page.")

	// A drawing.
	box := js[[]float64](b, "(() => { const e = document.getElementById('own-canvas'); e.scrollIntoView(); const box = e.getBoundingClientRect(); return [box.left, box.top] })()")
	for i, p := range [][2]float64{{50, 50}, {120, 180}, {60, 200}, {60, 200}} {
		kind := []input.DispatchMouseEventType{input.DispatchMouseEventTypeMousePressed, input.DispatchMouseEventTypeMouseMoved, input.DispatchMouseEventTypeMouseMoved, input.DispatchMouseEventTypeMouseReleased}[i]
		move := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: kind, X: box[0] + p[0], Y: box[1] + p[1], Button: input.MouseButtonLeft, ClickCount: 1})
			return err
		})
		if err := chromedp.Do(b.ctx, move); err != nil {
			t.Fatal(err)
		}
	}
	b.look("27-own-drawing")
	dogs := b.dogs()
	js[bool](b, `(() => { window.sheet = document.querySelector("#own-canvas canvas"); document.getElementById("own-layout").value = "last";
		document.dispatchEvent(new Event("visibilitychange")); return true })()`)
	await(t, "the page is drawn again", func() bool { return js[string](b, "document.getElementById('own-layout').value") == "" })
	if !js[bool](b, "sheet.isConnected") {
		t.Error("the drawing is lost when the page is drawn again")
	}
	b.click("[data-action=draw][data-value='1']")
	examples(17)
	await(t, "the drawing is a dog", func() bool { return b.dogs() == dogs+1 })
	b.click("[data-action=draw][data-value='1']")
	b.shows("Draw first, then press the class of what you have drawn.")

	await(t, "the pictures are kept", func() bool { return b.kept() == "17 pictures" })
	b.reload()
	b.step("ready")
	examples(17)
	b.press("join")
	await(t, "the run is finished", func() bool { return b.state("connection") == "finished" })
}

// dogs returns how many pictures of the class dog the page counts.
func (b *tab) dogs() int {
	b.t.Helper()
	return js[int](b, `Number(/dog: (\d+)/.exec(document.getElementById("own-classes").innerText)?.[1] ?? -1)`)
}

// A person who forgets everything while pictures are read, or written, has nothing left.
func TestOwnForgetPictures(t *testing.T) {
	c := serve(t, ownPictures())
	b := open(t, c.url())
	dir := t.TempDir()
	var paths []string
	for i := range 12 {
		var photo bytes.Buffer
		if err := jpeg.Encode(&photo, picture(1600, 1200, i), nil); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, filepath.Join(dir, fmt.Sprintf("photo%d.jpg", i)))
		if err := os.WriteFile(paths[i], photo.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.selects("#own-class", "0")
	b.choose("own-files", paths...)
	await(t, "the pictures are read", func() bool {
		return js[bool](b, "['reading', 'ready'].includes(document.getElementById('own-state').dataset.step)")
	})
	b.press("own-forget")
	b.press("own-forget") // asked again
	b.step("none")
	b.choose("own-files", paths...)
	b.step("ready")
	await(t, "the pictures are shown", func() bool { return js[int](b, "document.getElementById('own-sheet').childElementCount") == 1 })
	b.press("own-forget")
	b.press("own-forget")
	b.step("none")
	if n := js[int](b, "document.getElementById('own-sheet').childElementCount"); n != 0 {
		t.Error("pictures that are forgotten are still in the page")
	}
	if trouble := b.text("own-error"); trouble != "" || b.kept() != "" {
		t.Errorf("after everything is forgotten: %q, kept %q", trouble, b.kept())
	}
}

// Images of IDX files become examples as they are.
func TestOwnIDX(t *testing.T) {
	c := serve(t, ownPictures())
	b := open(t, c.url())
	pixels := data.Array{Dims: []int{20, 8, 8}}
	labels := data.Array{Dims: []int{20}}
	for i := range 20 * 64 {
		pixels.Data = append(pixels.Data, uint8(i*7))
	}
	for i := range 20 {
		labels.Data = append(labels.Data, uint8(i%2))
	}
	var images, classes bytes.Buffer
	if err := data.WriteIDX(&images, pixels); err != nil {
		t.Fatal(err)
	}
	if err := data.WriteIDX(&classes, labels); err != nil {
		t.Fatal(err)
	}
	b.choose("own-files", file(t, "pets-images-idx3-ubyte", images.String()))
	await(t, "labels are missing", func() bool { return b.text("own-error") != "" })
	t.Log(b.text("own-error"))
	b.choose("own-files", file(t, "pets-images-idx3-ubyte", images.String()), file(t, "pets-labels-idx1-ubyte", classes.String()))
	b.step("ready")
	b.shows("cat: 10, dog: 10")
}
