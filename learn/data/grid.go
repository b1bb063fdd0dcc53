package data

// grid holds the cells of a table in blocks: a table that grows is never copied, so that
// its peak memory is its size.
type grid struct {
	width  int // cells of a row
	rows   int
	shift  int // a block has 1 << shift rows
	blocks [][]float64
}

// gridBlock is about the number of cells in a block, 1 MiB.
const gridBlock = 1 << 17

func newGrid(width int) grid {
	g := grid{width: width}
	for width<<(g.shift+1) <= gridBlock && g.shift < 16 {
		g.shift++
	}
	return g
}

// add copies a row to the end.
func (g *grid) add(row []float64) {
	b := g.rows >> g.shift
	if b == len(g.blocks) {
		var block []float64
		if b > 0 { // a small table takes less than a block
			block = make([]float64, 0, g.width<<g.shift)
		}
		g.blocks = append(g.blocks, block)
	}
	g.blocks[b] = append(g.blocks[b], row...)
	g.rows++
}

// row returns the cells of row r.
func (g *grid) row(r int) []float64 {
	at := (r & (1<<g.shift - 1)) * g.width
	return g.blocks[r>>g.shift][at : at+g.width : at+g.width]
}
