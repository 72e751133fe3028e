# tries: the pools of multiprocessing and concurrent.futures; must fail soon, not hang
# kind: hostile
# outcomes: raised
# limits: cpu=2 wall=6
# gap LIMITS_ONLY: processes can be started
import multiprocessing


def square(x):
    return x * x


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print("BREACH", pool.map(square, range(4)))
