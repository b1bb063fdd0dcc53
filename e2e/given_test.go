package e2e

import "testing"

// A tab says what it was given, and shows some of its pictures.
func TestGiven(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 1000"))
	b := open(t, c.url()+"t/digits")
	b.shows("You need not bring anything")
	b.join()
	await(t, "pictures are shown", func() bool {
		return js[bool](b, `(() => {
			const canvas = document.querySelector("#given-wall:not([hidden]) canvas");
			return Boolean(canvas?.clientWidth) && canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((v, i) => i % 4 !== 3 && v > 200);
		})()`)
	})
	b.shows("These are some of them:")
	const want = "60 pictures of 0, 1, 2, 3, 4, 5, 6, 7, 8 and 9"
	if got := js[string](b, "document.getElementById('given-wall').ariaLabel"); got != want {
		t.Errorf("the wall is named %q, want %q", got, want)
	}
	b.press("leave")
	await(t, "the pictures are gone", func() bool { return js[bool](b, "document.getElementById('given-wall').hidden") })
}
