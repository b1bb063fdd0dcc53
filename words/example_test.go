package words_test

import (
	"fmt"

	"fedtab/words"
)

func ExampleLanguage_Say() {
	for _, l := range words.Languages() {
		fmt.Println(l.Say("waiting.missing", 1))
		fmt.Println(l.Say("model", "784-200-200-10", 199210))
	}
	// Output:
	// waiting for one more participant
	// 784-200-200-10 (199,210 parameters)
	// es fehlt noch eine Person
	// 784-200-200-10 (199.210 Parameter)
}

func ExampleLanguage_Phrase() {
	fmt.Println(words.Get("de").Phrase("line 7: age is 200, want a number from 0 to 120"))
	// Output: Zeile 7: age ist 200, erwartet: eine Zahl von 0 bis 120
}
