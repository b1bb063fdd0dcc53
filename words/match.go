package words

import (
	"strconv"
	"strings"
)

// Match returns the language that a reader likes best, by the Accept-Language header of
// a request (RFC 9110, section 12.5.4), or English, if none is among ours. A range with a
// region, such as de-AT, is as good as its language.
func Match(acceptLanguage string) *Language {
	best, bestWeight := english, 0.0
	for _, part := range strings.Split(acceptLanguage, ",") {
		name, weight := weighted(part)
		name, _, _ = strings.Cut(name, "-")
		l := Get(strings.ToLower(name))
		if name == "*" {
			l = english
		}
		if l != nil && weight > bestWeight {
			best, bestWeight = l, weight
		}
	}
	return best
}

// weighted returns a language range and its weight: 1 where none is given, 0 where it is
// invalid or says that the language is not wanted.
func weighted(part string) (name string, weight float64) {
	name, parameter, found := strings.Cut(part, ";")
	name = strings.TrimSpace(name)
	if !found {
		return name, 1
	}
	key, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
	weight, err := strconv.ParseFloat(value, 64)
	if err != nil || !strings.EqualFold(key, "q") || !(weight >= 0 && weight <= 1) {
		return name, 0
	}
	return name, weight
}
