/// A file of other packages that dpkg installs under another name (dpkg-divert(1)).
struct Diversion: Equatable, Sendable {
    var from: [UInt8]
    var to: [UInt8]
    /// The package whose own file takes the place; `nil` for a diversion by the administrator.
    var package: String?
}

/// The file `diversions`: three lines each.
enum Diversions {
    static func parse(
        _ bytes: UnsafeRawBufferPointer, _ report: (_ line: Int, _ kind: DpkgDamage.Kind) -> Void
    ) -> [Diversion] {
        var lines = Lines(bytes)
        var result: [Diversion] = []
        while let from = lines.next() {
            let first = lines.number
            guard let to = lines.next(), let package = lines.next() else {
                report(first, .noDiversion)
                break
            }
            if lines.isCutOff { report(lines.number, .cutOff) }
            let slash = UInt8(ascii: "/")
            guard bytes[from].first == slash, bytes[to].first == slash, !package.isEmpty else {
                report(first, .noDiversion)
                continue
            }
            let name = bytes[package].text
            result.append(
                Diversion(from: Array(bytes[from]), to: Array(bytes[to]), package: name == ":" ? nil : name))
        }
        return result
    }
}
