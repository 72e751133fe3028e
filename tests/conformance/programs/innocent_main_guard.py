# tries: the guard around main, a function of its own file, sys.argv
# kind: innocent
# outcomes: finished
# prints: main 1
import sys


def main():
    print("main", len(sys.argv))
    return 0


if __name__ == "__main__":
    main()
