/// Reads what `strace -f -q -xx -yy -o FILE` wrote: joins calls that were interrupted by another thread's
/// line, leaves out signals, keeps the order of lines.
struct StraceParser {
    private(set) var events: [TraceEvent] = []
    /// Lines that make no sense: an oracle that does not understand its trace knows nothing.
    private(set) var notUnderstood: [String] = []
    private var unfinished: [Int32: (text: [UInt8], line: Int)] = [:]

    init(_ trace: some Collection<UInt8>) {
        for (number, line) in trace.split(separator: UInt8(ascii: "\n")).enumerated() {
            read(Array(line), number)
        }
    }

    private mutating func read(_ line: [UInt8], _ number: Int) {
        let digits = line.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        let rest = StraceText.trim(Array(line.dropFirst(digits.count)))
        guard let thread = Int32(String(decoding: digits, as: UTF8.self)), !rest.isEmpty else {
            notUnderstood.append(String(decoding: line, as: UTF8.self))
            return
        }
        if rest.starts(with: "--- ".utf8) { return }
        if rest.starts(with: "+++ ".utf8) { return readEnd(rest, thread, number) }
        if rest.starts(with: "<... ".utf8) {
            // The rest of the call: `<... openat resumed>) = 3`.
            guard let begun = unfinished.removeValue(forKey: thread),
                let mark = rest.firstRange(of: " resumed>".utf8)
            else {
                notUnderstood.append(String(decoding: line, as: UTF8.self))
                return
            }
            return readCall(begun.text + rest[mark.upperBound...], thread, begun.line, number)
        }
        let mark = Array(" <unfinished ...>".utf8)
        if rest.suffix(mark.count).elementsEqual(mark) {
            unfinished[thread] = (Array(rest.dropLast(mark.count)), number)
            return
        }
        readCall(rest, thread, number, number)
    }

    private mutating func readEnd(_ rest: [UInt8], _ thread: Int32, _ number: Int) {
        let words = rest.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
        if words.count > 6, words[1] == "superseded", let other = Int32(words[6]) {
            events.append(.superseded(thread: thread, by: other, line: number))
            // The exec that superseded it goes on under this number.
            if let begun = unfinished.removeValue(forKey: other) { unfinished[thread] = begun }
        } else {
            unfinished[thread] = nil
            events.append(.ended(thread: thread, line: number))
        }
    }

    private mutating func readCall(_ text: [UInt8], _ thread: Int32, _ begin: Int, _ end: Int) {
        guard let open = text.firstIndex(of: UInt8(ascii: "(")), let close = closing(text, after: open),
            let equals = text[close...].firstIndex(of: UInt8(ascii: "="))
        else {
            notUnderstood.append(String(decoding: text, as: UTF8.self))
            return
        }
        let outcome = StraceText.trim(Array(text[(equals + 1)...]))
        let words = outcome.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
        let digits = outcome.prefix {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-")
        }
        events.append(
            .call(
                TracedCall(
                    thread: thread, name: String(decoding: text[..<open], as: UTF8.self),
                    arguments: StraceText.split(text[(open + 1)..<close]),
                    result: Int(String(decoding: digits, as: UTF8.self)),
                    resultNote: StraceText.note(outcome),
                    error: words.first == "-1" && words.count > 1 ? words[1] : nil, begin: begin, end: end)))
    }

    private func closing(_ text: [UInt8], after open: Int) -> Int? {
        var nesting = Nesting()
        for index in (open + 1)..<text.count {
            nesting.take(text[index])
            if nesting.isBelow { return index }
        }
        return nil
    }
}
