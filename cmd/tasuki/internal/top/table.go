package top

import (
	"slices"
	"strings"
)

// column is one of a table.
type column struct {
	title string
	right bool // numbers stand at its right end
	least int  // cells to which it may shrink; 0: it may not
	// drop says which go when there is no room, those with the highest first. 0 stays.
	drop int
	// fill draws a cell in the width that is left over, instead of the row's text: one
	// column at most.
	fill func(row, w int) string
}

const gap = 2 // cells between columns

// table sets rows below each other in w cells: the head, and a line for each row.
func table(columns []column, rows [][]piece, w int) (head line, lines []line) {
	wide := make([]int, len(columns))
	shown := make([]bool, len(columns))
	for c := range columns {
		shown[c] = true
		wide[c] = width(columns[c].title)
		if columns[c].fill != nil {
			wide[c] = max(wide[c], columns[c].least)
			continue
		}
		for _, row := range rows {
			wide[c] = max(wide[c], width(clean(row[c].text)))
		}
	}
	left := fitColumns(columns, wide, shown, w)
	for c := range columns {
		if shown[c] && columns[c].fill != nil {
			wide[c] += left
		}
	}
	draw := func(cell func(c int) piece) line {
		var l line
		for c := range columns {
			if !shown[c] {
				continue
			}
			if len(l) > 0 {
				l = append(l, piece{strings.Repeat(" ", gap), plain})
			}
			p := cell(c)
			p.text = cut(clean(p.text), wide[c])
			space := strings.Repeat(" ", wide[c]-width(p.text))
			if columns[c].right {
				p.text = space + p.text
			} else {
				p.text += space
			}
			l = append(l, p)
		}
		return l
	}
	head = draw(func(c int) piece { return piece{columns[c].title, cyan | bold} })
	for n, row := range rows {
		lines = append(lines, draw(func(c int) piece {
			if f := columns[c].fill; f != nil {
				return piece{f(n, wide[c]), row[c].style}
			}
			return row[c]
		}))
	}
	return head, lines
}

// fitColumns shrinks and drops columns until all fit into w cells, and returns what is left.
func fitColumns(columns []column, wide []int, shown []bool, w int) int {
	natural := slices.Clone(wide)
	for {
		copy(wide, natural)
		left := w + gap
		for c := range columns {
			if shown[c] {
				left -= wide[c] + gap
			}
		}
		for c := len(columns) - 1; c >= 0; c-- { // what stands first says most
			if left >= 0 {
				return left
			}
			if least := columns[c].least; shown[c] && least > 0 && columns[c].fill == nil {
				by := min(-left, max(0, wide[c]-least))
				wide[c] -= by
				left += by
			}
		}
		if left >= 0 {
			return left
		}
		drop := -1
		for c := range columns {
			if shown[c] && columns[c].drop > 0 && (drop < 0 || columns[c].drop > columns[drop].drop) {
				drop = c
			}
		}
		if drop < 0 {
			return 0 // render cuts what is too long
		}
		shown[drop] = false
	}
}
