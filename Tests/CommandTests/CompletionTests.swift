import TestSupport
import Testing

@testable import RetinueCommands

/// What a shell offers, as bash asks for it.
@Suite("Completions")
struct CompletionTests {
    /// The answers to words of which the one at a position is being typed.
    private func answers(_ folder: CommandFolder, _ words: String, at position: Int) throws -> [String] {
        let script = """
            export PATH=$(dirname "$0"):$PATH; source <(retinue --generate-completion-script bash)
            function=$(complete -p retinue | sed 's/.*-F \\([^ ]*\\).*/\\1/')
            COMP_WORDS=(\(words)); COMP_CWORD=\(position); COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}
            $function retinue "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"; printf '%s\\n' "${COMPREPLY[@]}"
            """
        let outcome = try folder.shell(script)
        #expect(outcome.errors.isEmpty)
        return outcome.output.split(separator: "\n").map(String.init)
    }

    @Test func haveTheNamesOfProgramsAndHosts() throws {
        try CommandFolder.with { folder throws in
            #expect(
                try answers(folder, "retinue group s --from web.ndjson", at: 2) == [
                    "shop.py", "shop.service",
                ])
            #expect(
                try answers(folder, "retinue why shop.py n --from web.ndjson", at: 3) == [
                    "nginx", "nginx.service",
                ])
            #expect(
                try answers(folder, "retinue group /usr/s --from web.ndjson", at: 2) == ["/usr/sbin/nginx"])
            #expect(
                try answers(folder, "retinue transfer nginx --from web.ndjson db.ndjson --host d", at: 7) == [
                    "db1"
                ])
            // What cannot be read offers nothing, and says nothing in the middle of a line.
            #expect(try answers(folder, "retinue group s --from missing", at: 2) == [])
            #expect(try answers(folder, "retinue records s --socket /nonexistent", at: 2) == [])
        }
    }
}
