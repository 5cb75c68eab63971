import MoveGroup
import Records

/// What is to be found or hidden, in words:
/// ```
/// expression = both *( "or" both )
/// both       = one *( ["and"] one )
/// one        = ["not"] ( "(" expression ")" | word )
/// word       = "kind=" program|file|address|channel|entry | "host=" GLOB | "unit=" GLOB
///            | "is=" start|stop|bound|changed
///            | "relation=" file|spawn|connect|accept|listen|ipc | "evidence=" exact|snapshot|inferred
///            | "~" TEXT | NAME
/// ```
/// NAME is a name as everywhere (`NodePattern`), `~TEXT` is in the shown name whatever the case. A word with blanks or
/// parentheses stands in quotation marks, in which a quotation mark is doubled; in them nothing else has a meaning. An
/// expression with `relation` or `evidence` is about dependencies; what it says of nodes then holds if it does for one end.
package struct MapExpression: Sendable {
    /// Where and why a text is no expression.
    package struct Fault: Error, Equatable, Sendable {
        /// Characters before it.
        package var position: Int
        /// A sentence.
        package var message: String

        /// Makes one.
        package init(position: Int, message: String) {
            self.position = position
            self.message = message
        }
    }

    /// What there is to say of a node.
    struct Subject {
        var node: Node
        var host: GraphHost
        var isStart = false
        var isStop = false
        var isBound = false
        var isChanged = false
    }

    private indirect enum Term: Sendable {
        case any([Term])
        case all([Term])
        case not(Term)
        case kind(NodeKind)
        case host(Glob)
        case unit(Glob)
        case mark(Mark)
        case link(Link)
        case evidence(Evidence)
        case text([UInt8])
        case name(NodePattern)
    }

    private enum Mark: String, Sendable { case start, stop, bound, changed }

    private let term: Term
    /// Whether it is about dependencies.
    package private(set) var isOfDependencies = false

    /// Characters of an expression.
    package static let longest = 1024
    private static let deepest = 32
    private static let mostWords = 64

    /// Reads one; `nil` for a text of blanks.
    package init?(_ text: String) throws(Fault) {
        guard text.unicodeScalars.count <= Self.longest else {
            throw Fault(position: Self.longest, message: "longer than \(Self.longest) characters")
        }
        var parser = Parser(tokens: try Self.tokens(text))
        guard !parser.tokens.isEmpty else { return nil }
        guard parser.tokens.count <= Self.mostWords * 2 else {
            throw Fault(position: 0, message: "more than \(Self.mostWords) words")
        }
        term = try parser.expression(0)
        if let rest = parser.tokens[parser.next...].first {
            throw Fault(position: rest.position, message: "there is no ( to this )")
        }
        isOfDependencies = parser.isOfDependencies
    }

    // MARK: What holds

    /// Whether a node is meant; of an expression about dependencies none is.
    func matches(_ subject: Subject) -> Bool { !isOfDependencies && Self.holds(term, [subject], nil) }

    /// Whether a dependency is meant; of an expression about nodes none is.
    func matches(_ one: Subject, _ other: Subject, _ link: Link, _ evidence: Evidence?) -> Bool {
        isOfDependencies && Self.holds(term, [one, other], (link, evidence))
    }

    private static func holds(
        _ term: Term, _ ends: [Subject], _ dependency: (link: Link, evidence: Evidence?)?
    ) -> Bool {
        switch term {
        case .any(let terms): terms.contains { holds($0, ends, dependency) }
        case .all(let terms): terms.allSatisfy { holds($0, ends, dependency) }
        case .not(let term): !holds(term, ends, dependency)
        case .kind(let kind): ends.contains { $0.node.kind == kind }
        case .host(let glob):
            ends.contains { glob.matches($0.host.id.utf8) || glob.matches($0.host.name.utf8) }
        case .unit(let glob):
            ends.contains { end in
                guard case .program(let name) = end.node else { return false }
                let last = name.workload.split(separator: UInt8(ascii: "/")).last ?? []
                return glob.matches(name.workload) || glob.matches(last)
            }
        case .mark(let mark):
            ends.contains { end in
                switch mark {
                case .start: end.isStart
                case .stop: end.isStop
                case .bound: end.isBound
                case .changed: end.isChanged
                }
            }
        case .link(let link): dependency?.link == link
        case .evidence(let evidence): dependency?.evidence == evidence
        case .text(let wanted):
            ends.contains { end in
                var text = end.node.shownText
                if case .program(let name) = end.node { text += [0] + name.executable + [0] + name.workload }
                return contains(lowered(text), wanted)
            }
        case .name(let pattern): ends.contains { pattern.matches($0.node, on: $0.host) }
        }
    }

    /// Without the difference between capital and small letters of ASCII: a name may be no UTF-8.
    private static func lowered(_ text: [UInt8]) -> [UInt8] {
        text.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
    }

    private static func contains(_ text: [UInt8], _ part: [UInt8]) -> Bool { text.contains(part) }

    // MARK: Reading

    private struct Token {
        var position: Int
        var text: String
        /// In quotation marks, where nothing is a word of the language.
        var isQuoted: Bool
    }

    private static func tokens(_ text: String) throws(Fault) -> [Token] {
        let scalars = Array(text.unicodeScalars)
        var tokens: [Token] = []
        var place = 0
        while place < scalars.count {
            let start = place
            switch scalars[place] {
            case " ", "\t", "\n", "\r": place += 1
            case "(", ")":
                tokens.append(Token(position: start, text: String(scalars[place]), isQuoted: false))
                place += 1
            default:
                // `host="a b"` as well as `"a b"`.
                var (word, isQuoted) = (String.UnicodeScalarView(), scalars[place] == "\"")
                scan: while place < scalars.count {
                    switch scalars[place] {
                    case " ", "\t", "\n", "\r", "(", ")": break scan
                    case "\"":
                        let quote = place
                        place += 1
                        while true {
                            guard place < scalars.count else {
                                throw Fault(position: quote, message: "a quotation mark has no end")
                            }
                            let scalar = scalars[place]
                            place += 1
                            guard scalar == "\"" else {
                                word.append(scalar)
                                continue
                            }
                            guard place < scalars.count, scalars[place] == "\"" else { break }
                            word.append("\"")
                            place += 1
                        }
                    default:
                        word.append(scalars[place])
                        place += 1
                    }
                }
                if word.isEmpty { isQuoted = true }
                tokens.append(Token(position: start, text: String(word), isQuoted: isQuoted))
            }
        }
        return tokens
    }

    private struct Parser {
        let tokens: [Token]
        var next = 0
        var isOfDependencies = false

        private var word: String? {
            next < tokens.count && !tokens[next].isQuoted ? tokens[next].text : nil
        }

        private var position: Int {
            next < tokens.count ? tokens[next].position : (tokens.last?.position ?? 0)
        }

        mutating func expression(_ depth: Int) throws(Fault) -> Term {
            guard depth <= MapExpression.deepest else {
                throw Fault(
                    position: position, message: "more than \(MapExpression.deepest) parentheses deep")
            }
            var terms = [try both(depth)]
            while word == "or" {
                next += 1
                terms.append(try both(depth))
            }
            return terms.count == 1 ? terms[0] : .any(terms)
        }

        private mutating func both(_ depth: Int) throws(Fault) -> Term {
            var terms = [try one(depth)]
            while next < tokens.count, word != "or", word != ")" {
                if word == "and" { next += 1 }
                terms.append(try one(depth))
            }
            return terms.count == 1 ? terms[0] : .all(terms)
        }

        private mutating func one(_ depth: Int) throws(Fault) -> Term {
            var isNot = false
            while word == "not" {
                isNot.toggle()
                next += 1
            }
            guard next < tokens.count else {
                throw Fault(position: position, message: "something is missing")
            }
            let token = tokens[next]
            var term: Term
            if word == "(" {
                next += 1
                term = try expression(depth + 1)
                guard word == ")" else { throw Fault(position: token.position, message: "this ( has no end") }
                next += 1
            } else if let word, ["and", "or", ")"].contains(word) {
                throw Fault(position: token.position, message: "something is missing before \(word)")
            } else {
                next += 1
                term = token.isQuoted ? .name(NodePattern(token.text)) : try Self.term(token)
                switch term {
                case .link, .evidence: isOfDependencies = true
                default: break
                }
            }
            return isNot ? .not(term) : term
        }

        private static func term(_ token: Token) throws(Fault) -> Term {
            let text = token.text
            if text.hasPrefix("~") { return .text(lowered(Array(text.utf8.dropFirst()))) }
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { return .name(NodePattern(text)) }
            let value = String(parts[1])
            func unknown(_ words: [String]) -> Fault {
                Fault(
                    position: token.position,
                    message: "\(parts[0])= is one of \(words.joined(separator: ", "))")
            }
            switch parts[0] {
            case "kind":
                guard let kind = NodeKind.allCases.first(where: { $0.mapWord == value }) else {
                    throw unknown(NodeKind.allCases.map(\.mapWord))
                }
                return .kind(kind)
            case "host": return .host(Glob(value))
            case "unit": return .unit(Glob(value))
            case "is":
                guard let mark = Mark(rawValue: value) else {
                    throw unknown(["start", "stop", "bound", "changed"])
                }
                return .mark(mark)
            case "relation":
                guard let link = Link.allCases.first(where: { "\($0.word)" == value }) else {
                    throw unknown(Link.allCases.map { "\($0.word)" })
                }
                return .link(link)
            case "evidence":
                guard let evidence = Evidence.allCases.first(where: { "\($0.word)" == value }) else {
                    throw unknown(Evidence.allCases.map { "\($0.word)" })
                }
                return .evidence(evidence)
            // The name of a file may have a = in it.
            default: return .name(NodePattern(text))
            }
        }
    }
}

extension NodeKind {
    /// The word for it in pages and expressions.
    var mapWord: String {
        switch self {
        case .program: "program"
        case .file: "file"
        case .endpoint: "address"
        case .channel: "channel"
        case .entry: "entry"
        }
    }
}
