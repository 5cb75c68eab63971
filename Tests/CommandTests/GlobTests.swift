import MoveGroup
import Records
import Testing

@testable import RetinueCommands

@Suite("Patterns for paths")
struct GlobTests {
    @Test(
        arguments: [
            ("/etc/a.conf", "/etc/a.conf"), ("/etc/*.conf", "/etc/a.conf"), ("/etc/*", "/etc/"),
            ("*", "abc"), ("*", ""), ("**", "/a/b/c"), ("**", ""), ("/etc/**", "/etc/a/b"),
            ("/etc/**", "/etc/"),
            ("/**/x", "/x"), ("/**/x", "/a/x"), ("/**/x", "/a/b/x"), ("**/x", "x"), ("**/x", "a/x"),
            ("**/x", "/x"), ("/a/**/b/**/c", "/a/b/c"), ("/a/**/b/**/c", "/a/1/b/2/3/c"), ("/a***", "/a/b"),
            ("?", "a"), ("?", "ä"), ("?", "漢"), ("/?/?", "/ä/b"), ("a**b", "a/x/b"), ("*a*b*", "xaxxbx"),
            ("python3*", "python3.11"), ("[", "["), ("a b", "a b"),
        ])
    func matches(pattern: String, path: String) {
        #expect(Glob(pattern).matches(Array(path.utf8)))
    }

    @Test(
        arguments: [
            ("/etc/*", "/etc/a/b"), ("/etc/*.conf", "/etc/a/b.conf"), ("*", "a/b"), ("?", ""), ("?", "/"),
            ("?", "ab"), ("/etc/**", "/etc"), ("/**/x", "/ax"), ("/**/x", "/a/xx"), ("**/x", "ax"), ("", "a"),
            ("a", ""), ("/etc/a.conf", "/etc/aXconf"), ("/a/**/b", "/a/xb"), ("/a/**/b", "/ab"),
            ("A", "a"), ("[a-z]", "b"),
        ])
    func doesNotMatch(pattern: String, path: String) {
        #expect(!Glob(pattern).matches(Array(path.utf8)))
    }

    @Test func oneCharacterMayBeAByteThatIsNoText() {
        #expect(Glob("/a?b").matches([0x2f, 0x61, 0xff, 0x62]))
        #expect(Glob("/a*b").matches([0x2f, 0x61, 0xff, 0xfe, 0x62]))
    }

    @Test func aHostilePatternTakesNoTime() {
        let pattern = String(repeating: "*a", count: 200) + "b"
        let path = [UInt8](repeating: UInt8(ascii: "a"), count: 4000)
        // A matcher that tries one way after the other would not come to an end.
        #expect(!Glob(pattern).matches(path))
        #expect(!Glob(String(repeating: "**/", count: 200) + "b").matches(Array("/a".utf8) + path))
    }

    /// Against a matcher that is obviously right and slow.
    @Test func agreesWithTheDefinition() {
        var generator = SystemRandomNumberGenerator()
        let patternAlphabet = Array("ab/*?**/").map(String.init) + ["**", "**/"]
        let pathAlphabet = Array("aab/")
        for round in 0..<20_011 {
            let pattern = (0..<Int.random(in: 0...6, using: &generator))
                .map { _ in patternAlphabet.randomElement(using: &generator)! }.joined()
            let path = String(
                (0..<Int.random(in: 0...7, using: &generator))
                    .map { _ in pathAlphabet.randomElement(using: &generator)! })
            #expect(
                Glob(pattern).matches(Array(path.utf8))
                    == slowlyMatches(Array(pattern)[...], Array(path)[...], atPart: true),
                "\(pattern) \(path)")
            // Of more parts than a word has bits.
            guard round % 20 == 0 else { continue }
            let (start, end) = (
                "/" + String(repeating: "a", count: 60), "/" + String(repeating: "b", count: 9)
            )
            #expect(
                Glob(start + pattern + end).matches(Array((start + path + end).utf8))
                    == slowlyMatches(
                        Array(start + pattern + end)[...], Array(start + path + end)[...], atPart: true),
                "\(pattern) \(path)")
        }
    }

    /// - Parameter atPart: whether the pattern stands behind a slash or at its start.
    private func slowlyMatches(
        _ pattern: ArraySlice<Character>, _ path: ArraySlice<Character>, atPart: Bool
    ) -> Bool {
        guard let first = pattern.first else { return path.isEmpty }
        if pattern.starts(with: "**") {
            let rest = pattern.drop { $0 == "*" }
            if rest.first == "/", atPart {
                let behind = rest.dropFirst()
                if slowlyMatches(behind, path, atPart: true) { return true }
                return path.indices.contains {
                    path[$0] == "/" && slowlyMatches(behind, path[($0 + 1)...], atPart: true)
                }
            }
            return (path.startIndex...path.endIndex).contains {
                slowlyMatches(rest, path[$0...], atPart: false)
            }
        }
        if first == "*" {
            for end in path.startIndex...path.endIndex {
                if slowlyMatches(pattern.dropFirst(), path[end...], atPart: false) { return true }
                if end < path.endIndex, path[end] == "/" { break }
            }
            return false
        }
        guard let next = path.first else { return false }
        if first == "?" ? next == "/" : first != next { return false }
        return slowlyMatches(pattern.dropFirst(), path.dropFirst(), atPart: first == "/")
    }
}
