package access_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"fedtab/coordinator/access"
)

func Example() {
	dir, err := os.MkdirTemp("", "fedtab")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	gate, err := access.Open(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	api := gate.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := access.From(r.Context())
		fmt.Fprint(w, r.Method, " of the ", who)
	}))
	for _, token := range []string{"", gate.Token(access.Viewer), gate.Token(access.Organiser)} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 401 a valid token is missing: sign in with the organiser's or the viewer's token
	//
	// 403 the viewer's token may not change anything, want the organiser's
	//
	// 200 POST of the organiser by token
}
