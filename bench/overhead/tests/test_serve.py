import socket
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "programs"))
import serve  # noqa: E402


class Readiness(unittest.TestCase):
    def answered(self, answer):
        near, far = socket.socketpair()
        with near, far:
            far.sendall(answer)
            ready = serve.serves(near)
            return ready, far.recv(100)

    def test_postgresql_is_ready_when_it_asks_for_no_more_and_not_while_it_is_starting(self):
        self.assertTrue(self.answered(b"R\0\0\0\x08\0\0\0\0")[0])
        self.assertFalse(self.answered(b"E\0\0\0\x0cC57P03\0\0")[0])

    def test_it_is_asked_in_the_words_of_its_protocol(self):
        _, asked = self.answered(b"R")
        self.assertEqual(int.from_bytes(asked[:4], "big"), len(asked))
        self.assertEqual(int.from_bytes(asked[4:8], "big"), 3 << 16)


if __name__ == "__main__":
    unittest.main()
