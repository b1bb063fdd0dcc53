// Package labpage draws the pages of the lab (package lab): their list, and what each begins
// with. The coordinator alone draws them. Then the lab's program draws figures anew and says
// what fields and readings say, and static/extra/lab.js puts that where it belongs: it needs
// neither Vugu nor this package.
package labpage

//go:generate go tool vugugen -skip-go-mod -skip-main .
//go:generate go run ../shorten .
//go:generate gofmt -w .
