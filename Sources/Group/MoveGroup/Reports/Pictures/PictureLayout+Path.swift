extension PictureLayout.Route {
    /// The route as the `d` of an SVG path, in whole pixels.
    package var path: String {
        var path = ""
        for (place, piece) in pieces.enumerated() {
            if place == 0 {
                path = "M" + piece.0.text
            } else {
                let (from, to) = (pieces[place - 1].1, piece.0)
                let half = isLoop ? 28 : (to.x - from.x) / 2
                let controls = [
                    PictureLayout.Point(x: from.x + half, y: from.y),
                    PictureLayout.Point(x: to.x + (isLoop ? half : -half), y: to.y),
                ]
                path += "C" + (controls + [to]).map(\.text).joined(separator: " ")
            }
            if piece.0 != piece.1 { path += "L" + piece.1.text }
        }
        return path
    }
}

extension PictureLayout.Point {
    fileprivate var text: String { "\(Int(x.rounded())) \(Int(y.rounded()))" }
}
