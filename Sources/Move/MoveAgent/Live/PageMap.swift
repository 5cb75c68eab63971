/// Which pages an image of a process's memory has (`pagemap-N.img` of criu(8), images/pagemap.proto): they lie one after the other
/// in `pages-M.img`.
struct PageMap: Equatable {
    /// Bytes of a page: what is the size of one on x86-64, and on the kernels for arm64 that criu knows.
    static let page: UInt64 = 4096

    /// Where pages are (`PE_…` of criu/include/pagemap.h).
    struct Place: OptionSet {
        var rawValue: UInt64
        /// In the image that this one is the difference from.
        static let parent = Place(rawValue: 1)
        /// They may come later.
        static let deferrable = Place(rawValue: 2)
        /// In this one's own pages.
        static let present = Place(rawValue: 4)
    }

    /// Pages in a row that are at one kind of place.
    struct Run: Equatable {
        /// Their first address.
        var start: UInt64
        var pages: UInt64
        var place: Place
        var end: UInt64 { start + pages * page }
    }

    /// Of their file `pages-M.img`.
    var number: UInt64
    /// In the order of their addresses, none of which is in two of them.
    private(set) var runs: [Run] = []

    init(number: UInt64) { self.number = number }

    // `IMG_COMMON_MAGIC`, `PAGEMAP_MAGIC` of criu/include/magic.h.
    private static let magic: [UInt8] = [0x19, 0x43, 0x56, 0x54, 0x25, 0x40, 0x08, 0x56]
    private enum Field {
        static let number: UInt64 = 1
        static let start: UInt64 = 1
        static let fewPages: UInt64 = 2
        static let isInParent: UInt64 = 3
        static let place: UInt64 = 4
        static let pages: UInt64 = 5
    }

    /// Reads one; `nil` where the bytes are none.
    init?(_ bytes: [UInt8]) {
        guard bytes.starts(with: Self.magic) else { return nil }
        var rest = bytes[8...]
        func next() -> ImageMessage? {
            guard rest.count >= 4 else { return nil }
            let count = (0..<4).reduce(0) { $0 | Int(rest[rest.startIndex + $1]) << (8 * $1) }
            rest = rest.dropFirst(4)
            guard count <= rest.count else { return nil }
            defer { rest = rest.dropFirst(count) }
            return ImageMessage(rest.prefix(count))
        }
        guard let number = next()?[Field.number] else { return nil }
        self.init(number: number)
        while !rest.isEmpty {
            guard let entry = next(), let start = entry[Field.start],
                let pages = entry[Field.pages] ?? entry[Field.fewPages],
                start % Self.page == 0, pages > 0, pages < 1 << 40, start < 1 << 56,
                start >= runs.last?.end ?? 0
            else { return nil }
            let place: Place =
                entry[Field.isInParent] == 1
                ? .parent : entry[Field.place].map { Place(rawValue: $0) } ?? .present
            runs.append(Run(start: start, pages: pages, place: place))
        }
    }

    /// As criu reads it.
    var bytes: [UInt8] {
        var bytes = Self.magic
        func add(_ message: ImageMessage) {
            let content = message.bytes
            for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: content.count >> shift)) }
            bytes += content
        }
        add(ImageMessage([Field.number: number]))
        for run in runs {
            add(
                ImageMessage([
                    Field.start: run.start, Field.fewPages: min(run.pages, UInt64(UInt32.max)),
                    Field.place: run.place.rawValue, Field.pages: run.pages,
                ]))
        }
        return bytes
    }

    /// Appends pages, to the last run where they continue it.
    mutating func add(_ start: UInt64, pages: UInt64 = 1, _ place: Place) {
        if let last = runs.indices.last, runs[last].end == start, runs[last].place == place {
            runs[last].pages += pages
        } else {
            runs.append(Run(start: start, pages: pages, place: place))
        }
    }
}
