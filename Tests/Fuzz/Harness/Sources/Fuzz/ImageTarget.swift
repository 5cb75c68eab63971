@testable import MoveAgent

/// Images of threads, as a host sends them whose criu has written them.
enum ImageTarget {
    static let target = FuzzTarget(name: "images") { bytes in
        if let message = ImageMessage(bytes[...]) {
            let written = message.bytes
            require(written.count <= bytes.count, "more bytes than there were")
            require(ImageMessage(written[...])?.bytes == written, "a message that is read as another one")
            for number in Set(message.fields.map(\.number)) { _ = message.messages(number) }
        }
        if let map = PageMap(bytes) {
            require(PageMap(map.bytes) == map, "a map of pages that is read as another one")
            var end: UInt64 = 0
            for run in map.runs {
                require(run.start >= end && run.end > run.start, "pages that are in two runs")
                end = run.end
            }
        }
        if let wanted = try? PagesWanted(bytes) {
            require(wanted.pages <= PagesWanted.most, "more pages than an answer has")
            require((try? PagesWanted(wanted.question)) == wanted, "pages that are read as others")
            require(
                (try? wanted.length(behind: wanted.head)) == Int(wanted.pages * PageMap.page),
                "no answer to it")
        }
        guard let again = InterruptedCalls.again(bytes) else { return }
        // Two magic numbers, and the length of all that follows.
        require(again.prefix(8) == bytes.prefix(8), "other magic numbers")
        let length = (0..<4).reduce(0) { $0 | Int(again[8 + $1]) << (8 * $1) }
        require(length == again.count - 12, "another length")
        require(ImageMessage(again[12...]) != nil, "no message any more")
        require(InterruptedCalls.again(again) == nil, "a call that is made again twice")
    }
}
